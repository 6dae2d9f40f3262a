"""What of a mail is an invoice: facts about its parts go in, documents and reasons come out."""

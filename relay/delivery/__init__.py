"""The sending edge: from a leased delivery to its recorded outcome. Only importer of aiosmtplib."""

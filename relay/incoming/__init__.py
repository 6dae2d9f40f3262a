"""What is found out about a mail from another server, between its last octet and the answer to it.

In charge of looking, and of keeping what was found with the mail. What follows is policy; nothing here delivers.
"""

"""What subscribers read: JSON for programs, mails for people. Pure."""

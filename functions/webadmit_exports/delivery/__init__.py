"""Bring an archived file into the folder that the next system reads: over an SFTP connector of AWS."""

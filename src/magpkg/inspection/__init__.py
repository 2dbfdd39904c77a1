"""What a manifest or the store comes to, told and compared; nothing is made for it."""

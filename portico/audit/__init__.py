"""What was released to whom, recorded before it leaves, in a chain that shows any tampering."""

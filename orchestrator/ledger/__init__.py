"""What was built here before: SQLite in the state folder. Evidence only when it is exported and signed."""

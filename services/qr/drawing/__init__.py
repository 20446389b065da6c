"""Drawing cards into a PDF: symbols, text in every script, sheets. Knows no bus and no database."""

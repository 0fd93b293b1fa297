"""The report that one sends: what it says (content), and how it looks as text, Markdown, LaTeX, CSV and HTML. Pure."""

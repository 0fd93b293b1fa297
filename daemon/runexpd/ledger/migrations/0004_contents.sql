-- What attempts were made of: recipes (JSON) and the texts that they name, each once, zstandard-compressed.
CREATE TABLE contents (
    name TEXT PRIMARY KEY,     -- SHA-256 of what it is, in hexadecimal
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

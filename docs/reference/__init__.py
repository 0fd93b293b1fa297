"""What the site and the manual pages are made of: the pages of docs/, and those that are made from the code itself."""

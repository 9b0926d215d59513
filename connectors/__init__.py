"""Sources: fetch or read what a vendor exports and land it, as received, one day per folder."""

"""Images of this host: names, configurations, unpacked layers, and how they get here."""

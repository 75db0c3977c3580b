"""Networks: bridges, links, addresses, published ports, firewall rules and the names DNS answers."""

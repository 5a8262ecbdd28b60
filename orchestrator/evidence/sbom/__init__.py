"""Bills of materials: one model of components and relations, and its renderings. Pure, and linear."""

"""How records are found, joined, decided and put in order, level by level, from however many sources it takes."""

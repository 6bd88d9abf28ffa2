"""What Guard perceives with: fetching pictures, reading the writing in them."""

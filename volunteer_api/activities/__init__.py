"""Campaigns, activities and their shifts: their life, and finding them."""

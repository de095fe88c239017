"""Stations: exceptions of the opening hours, photo, contact, cells of places

Revision ID: 2026_11_25_2_stations
Revises: 2026_11_25_1_people
Create Date: 2026-11-25 00:00:00+00:00
"""

revision = "2026_11_25_2_stations"
down_revision = "2026_11_25_1_people"
branch_labels = None
depends_on = None


def upgrade() -> None:
    pass


def downgrade() -> None:
    pass

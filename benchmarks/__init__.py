"""What the README's figures come from: `make bench`. Figures are ratios taken in one run on one machine."""

"""Stock that moves from station to station: request, approval, shipment, receipt."""

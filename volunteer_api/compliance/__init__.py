"""What stations lack or will lack: compliance, forecast, alerts, restock suggestions."""

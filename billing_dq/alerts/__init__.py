"""Who is notified of what, once: open alerts in, notifications out, delivered at least once.

`current_alerts` says what is open now, `changes` decides what each route is notified of (both pure), `message` puts it
into words, `outbox` stores it, `notifier` puts these together and delivers, `targets` is the edge to Apprise.
"""

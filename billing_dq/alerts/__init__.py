"""Who is notified of what, once: open alerts in, notifications out, delivered at least once.

`current_alerts` says what is wrong now, `changes` decides what each route is notified of (both pure), `message` puts it
into words, `outbox` keeps what routes know and what waits, `delivery` sends with patience, `targets` is the edge to
Apprise, and `notifier` puts these together.
"""

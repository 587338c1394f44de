"""Who is told what, once: matters in, messages out, and a record of both.

`matters` says what may be told, `telling` decides what each route is told, `message` puts it into words, `record` keeps
what was told and what is still to be sent, `delivery` sends with patience, `targets` is the edge to Apprise, and
`desk` puts them together for assets, sensors and commands.
"""

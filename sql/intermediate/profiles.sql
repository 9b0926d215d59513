-- One row per combination of what events say of their visitor. Events are many and combinations few: a number
-- for one of them is found in one pass, and saves looking texts up again for sessions, attempts and counts.
-- grows: profile_number
with seen as (
    select distinct device, os, browser, country, is_new_user from staging.events
)
select
    (row_number() over (order by device, os, browser, country, is_new_user))::integer as profile_number,
    device, os, browser, country, is_new_user
from seen

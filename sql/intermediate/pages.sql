-- One row per page that some event was on.
-- grows: page_number
with seen as (
    select distinct page from staging.events where page is not null
)
select (row_number() over (order by page))::integer as page_number, page from seen

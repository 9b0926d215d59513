-- One row per journey and page on which somebody's recording ended or a survey was answered: the stage most of the page's events belong to.
-- A recording or an answer knows no events, only pages. Pages without any event of a stage belong to none.
with asked as (
    select exit_page as page from staging.recordings where exit_page is not null
    union
    select page from staging.survey_answers where page is not null
),
paged as (
    select p.page_number, p.page
    from intermediate.pages as p
    inner join asked as a on p.page = a.page
),
counted as (
    select s.journey_number, p.page, s.stage_number, count(*) as events
    from intermediate.stage_events as s
    inner join paged as p on s.page_number = p.page_number
    group by s.journey_number, p.page, s.stage_number
),
ranked as (
    select
        *,
        row_number() over (
            partition by journey_number, page order by events desc, stage_number
        ) as place
    from counted
)
select journey_number, page, stage_number, events from ranked where place = 1

-- One row per traffic source seen: its default channel group.
-- Rules of Google Analytics Help, "Default channel group" (support.google.com/analytics/answer/9756891), in
-- its order: the first that fits decides, so google / email is Organic Search there, and here. What GA4
-- itself said in its export (given_channel) wins. Case does not matter. Sites: pipelines/traffic_sites.csv.
-- grows: whole
with seen as (
    select distinct
        given_channel, source_name, medium, campaign,
        lower(trim(coalesce(source_name, ''))) as s,
        lower(trim(coalesce(medium, ''))) as m,
        lower(trim(coalesce(campaign, ''))) as c
    from intermediate.traffic
),
named as (
    select distinct s from seen
),
matched as (
    select
        n.s,
        t.category,
        -- music.youtube.com is listed, and lies below youtube.com: the longest site says more
        row_number() over (partition by n.s order by length(t.site) desc) as place
    from named as n
    inner join config.traffic_sites as t
        on n.s = t.site
        -- only below a domain: a bare word such as "line" is no parent of "shop.line"
        or (t.site like '%.%' and ends_with(n.s, '.' || t.site))
),
categorised as (
    select s, category from matched where place = 1
),
described as (
    select
        n.*,
        coalesce(t.category, 'OTHER') as category,
        regexp_matches(n.m, '^(.*cp.*|ppc|retargeting|paid.*)$') as is_paid,
        coalesce(t.category = 'SHOPPING', false)
            or regexp_matches(n.c, '^(.*(([^a-df-z]|^)shop|shopping).*)$') as is_shopping
    from seen as n
    left join categorised as t on n.s = t.s
),
grouped as (
    select
        given_channel, source_name, medium, campaign,
        coalesce(given_channel, case
            when s = '(direct)' and m in ('(none)', '(not set)', '') then 'Direct'
            when c like '%cross-network%' then 'Cross-network'
            when is_shopping and is_paid then 'Paid Shopping'
            when category = 'SEARCH' and is_paid then 'Paid Search'
            when category = 'SOCIAL' and is_paid then 'Paid Social'
            when category = 'VIDEO' and is_paid then 'Paid Video'
            when m in ('display', 'banner', 'expandable', 'interstitial', 'cpm') then 'Display'
            when is_paid then 'Paid Other'
            -- GA4 gives visits from a chatbot this medium (May 2026); before the sites, as an assistant's
            -- host may be below a search engine's
            when m = 'ai-assistant' then 'AI Assistant'
            when is_shopping then 'Organic Shopping'
            when category = 'SOCIAL'
                or m in ('social', 'social-network', 'social-media', 'sm', 'social network', 'social media')
                then 'Organic Social'
            when category = 'VIDEO' or m like '%video%' then 'Organic Video'
            when category = 'SEARCH' or m = 'organic' then 'Organic Search'
            when m in ('referral', 'app', 'link') then 'Referral'
            when s in ('email', 'e-mail', 'e_mail', 'e mail') or m in ('email', 'e-mail', 'e_mail', 'e mail')
                then 'Email'
            when m = 'affiliate' then 'Affiliates'
            when m = 'audio' then 'Audio'
            when s = 'sms' or m = 'sms' then 'SMS'
            when m like '%push' or m like '%mobile%' or m like '%notification%' or s = 'firebase'
                then 'Mobile Push Notifications'
            else 'Unassigned'
        end) as channel
    from described
)
select * from grouped

-- One row per traffic source seen: its default channel group.
-- Google Analytics Help, "Default channel group" (support.google.com/analytics/answer/9756891), rules in
-- its order; the lists of search, social, video and shopping sites are the larger ones of its list.
with seen as (
    select distinct
        given_channel, source_name, medium, campaign,
        lower(coalesce(source_name, '')) as s,
        lower(coalesce(medium, '')) as m,
        lower(coalesce(campaign, '')) as c
    from intermediate.traffic
),
described as (
    select
        *,
        regexp_matches(m, '^(.*cp.*|ppc|retargeting|paid.*)$') as is_paid,
        regexp_matches(s, '(^|[.])(google|bing|yahoo|duckduckgo|ecosia|baidu|yandex|naver|qwant|ask|aol|startpage|brave|seznam|daum|sogou|search)([.]|$)')
            as from_search,
        regexp_matches(s, '(^|[.])(facebook|fb|instagram|ig|twitter|x|t|linkedin|lnkd|pinterest|reddit|tiktok|snapchat|threads|bluesky|mastodon|whatsapp|telegram|tumblr|vk|weibo|quora|discord|meta)([.]|$)')
            as from_social,
        regexp_matches(s, '(^|[.])(youtube|vimeo|dailymotion|twitch|netflix|disneyplus|hulu)([.]|$)')
            as from_video,
        regexp_matches(s, '(^|[.])(amazon|ebay|etsy|walmart|alibaba|aliexpress|shopify|shopzilla|idealo|mercadolibre|cdiscount|zalando|target)([.]|$)')
            or regexp_matches(c, '^(.*(([^a-df-z]|^)shop|shopping).*)$') as from_shopping
    from seen
),
grouped as (
    select
        given_channel, source_name, medium, campaign,
        coalesce(given_channel, case
            when s = '(direct)' and m in ('(none)', '(not set)', '') then 'Direct'
            when c like '%cross-network%' then 'Cross-network'
            when from_shopping and is_paid then 'Paid Shopping'
            when from_search and is_paid then 'Paid Search'
            when from_social and is_paid then 'Paid Social'
            when from_video and is_paid then 'Paid Video'
            when m in ('display', 'banner', 'expandable', 'interstitial', 'cpm') then 'Display'
            when is_paid then 'Paid Other'
            when from_shopping then 'Organic Shopping'
            when from_social
                or m in ('social', 'social-network', 'social-media', 'sm', 'social network', 'social media')
                then 'Organic Social'
            when from_video or m like '%video%' then 'Organic Video'
            when (from_search and m <> 'email') or m = 'organic' then 'Organic Search'
            when regexp_matches(s, '^e[-_ ]?mail$') or regexp_matches(m, '^e[-_ ]?mail$') then 'Email'
            when m = 'affiliate' then 'Affiliates'
            when m in ('referral', 'app', 'link') then 'Referral'
            when m = 'audio' then 'Audio'
            when s = 'sms' or m = 'sms' then 'SMS'
            when s = 'firebase' or m like '%push' or m like '%mobile%' or m like '%notification%'
                then 'Mobile Push Notifications'
            else 'Unassigned'
        end) as channel
    from described
)
select * from grouped

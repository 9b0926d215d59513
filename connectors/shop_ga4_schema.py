"""The columns of a GA4 BigQuery export table as it is today (batch and session columns of 2024).

Source: https://support.google.com/analytics/answer/7029846. `traffic_source` is the visitor's
first source, `collected_traffic_source` what came with the event, `session_traffic_source_last_click`
the session's.
"""

import pyarrow as pa

STRING, INTEGER, FLOAT = pa.string(), pa.int64(), pa.float64()


def _strings(*names: str) -> pa.StructType:
    return pa.struct([(name, STRING) for name in names])


VALUE = pa.struct(
    [("string_value", STRING), ("int_value", INTEGER), ("float_value", FLOAT),
     ("double_value", FLOAT)]
)  # fmt: skip
PARAM = pa.struct([("key", STRING), ("value", VALUE)])
USER_PROPERTY = pa.struct(
    [("key", STRING), ("value", pa.struct([*VALUE, ("set_timestamp_micros", INTEGER)]))]
)
PRIVACY_INFO = _strings("analytics_storage", "ads_storage", "uses_transient_token")
USER_LTV = pa.struct([("revenue", FLOAT), ("currency", STRING)])
DEVICE = pa.struct(
    [
        ("category", STRING),
        ("mobile_brand_name", STRING),
        ("mobile_model_name", STRING),
        ("mobile_marketing_name", STRING),
        ("mobile_os_hardware_model", STRING),
        ("operating_system", STRING),
        ("operating_system_version", STRING),
        ("vendor_id", STRING),
        ("advertising_id", STRING),
        ("language", STRING),
        ("is_limited_ad_tracking", STRING),
        ("time_zone_offset_seconds", INTEGER),
        ("browser", STRING),
        ("browser_version", STRING),
        ("web_info", _strings("browser", "browser_version", "hostname")),
    ]
)
GEO = _strings("city", "country", "continent", "region", "sub_continent", "metro")
APP_INFO = _strings("id", "version", "install_store", "firebase_app_id", "install_source")
TRAFFIC_SOURCE = _strings("name", "medium", "source")
EVENT_DIMENSIONS = _strings("hostname")
ECOMMERCE = pa.struct(
    [
        ("total_item_quantity", INTEGER),
        ("purchase_revenue_in_usd", FLOAT),
        ("purchase_revenue", FLOAT),
        ("refund_value_in_usd", FLOAT),
        ("refund_value", FLOAT),
        ("shipping_value_in_usd", FLOAT),
        ("shipping_value", FLOAT),
        ("tax_value_in_usd", FLOAT),
        ("tax_value", FLOAT),
        ("unique_items", INTEGER),
        ("transaction_id", STRING),
    ]
)
ITEM = pa.struct(
    [
        *((name, STRING) for name in (
            "item_id", "item_name", "item_brand", "item_variant", "item_category",
            "item_category2", "item_category3", "item_category4", "item_category5")),
        ("price_in_usd", FLOAT),
        ("price", FLOAT),
        ("quantity", INTEGER),
        ("item_revenue_in_usd", FLOAT),
        ("item_revenue", FLOAT),
        ("item_refund_in_usd", FLOAT),
        ("item_refund", FLOAT),
        *((name, STRING) for name in (
            "coupon", "affiliation", "location_id", "item_list_id", "item_list_name",
            "item_list_index", "promotion_id", "promotion_name", "creative_name",
            "creative_slot")),
        ("item_params", pa.list_(PARAM)),
    ]
)  # fmt: skip
COLLECTED_TRAFFIC_SOURCE = _strings(
    "manual_campaign_id", "manual_campaign_name", "manual_source", "manual_medium", "manual_term",
    "manual_content", "manual_source_platform", "manual_creative_format",
    "manual_marketing_tactic", "gclid", "dclid", "srsltid",
)  # fmt: skip
MANUAL_CAMPAIGN = _strings(
    "campaign_id", "campaign_name", "source", "medium", "term", "content", "source_platform",
    "creative_format", "marketing_tactic",
)  # fmt: skip
GOOGLE_ADS_CAMPAIGN = _strings(
    "customer_id", "account_name", "campaign_id", "campaign_name", "ad_group_id", "ad_group_name"
)
CROSS_CHANNEL_CAMPAIGN = _strings(
    "campaign_id", "campaign_name", "source", "medium", "source_platform", "default_channel_group",
    "primary_channel_group",
)  # fmt: skip
SESSION_SOURCE = pa.struct(
    [
        ("manual_campaign", MANUAL_CAMPAIGN),
        ("google_ads_campaign", GOOGLE_ADS_CAMPAIGN),
        ("cross_channel_campaign", CROSS_CHANNEL_CAMPAIGN),
    ]
)

SCHEMA = pa.schema(
    [
        ("event_date", STRING),
        ("event_timestamp", INTEGER),
        ("event_name", STRING),
        ("event_params", pa.list_(PARAM)),
        ("event_previous_timestamp", INTEGER),
        ("event_value_in_usd", FLOAT),
        ("event_bundle_sequence_id", INTEGER),
        ("event_server_timestamp_offset", INTEGER),
        ("user_id", STRING),
        ("user_pseudo_id", STRING),
        ("privacy_info", PRIVACY_INFO),
        ("user_properties", pa.list_(USER_PROPERTY)),
        ("user_first_touch_timestamp", INTEGER),
        ("user_ltv", USER_LTV),
        ("device", DEVICE),
        ("geo", GEO),
        ("app_info", APP_INFO),
        ("traffic_source", TRAFFIC_SOURCE),
        ("stream_id", STRING),
        ("platform", STRING),
        ("event_dimensions", EVENT_DIMENSIONS),
        ("ecommerce", ECOMMERCE),
        ("items", pa.list_(ITEM)),
        ("collected_traffic_source", COLLECTED_TRAFFIC_SOURCE),
        ("is_active_user", pa.bool_()),
        ("batch_event_index", INTEGER),
        ("batch_page_id", INTEGER),
        ("batch_ordering_id", INTEGER),
        ("session_traffic_source_last_click", SESSION_SOURCE),
    ]
)

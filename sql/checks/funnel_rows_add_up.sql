-- Whoever reached a stage advanced, is still under way, or is lost. Nobody is two of these.
select *
from intermediate.funnel_counts
where reached <> advanced + still_open + lost
    or matured > reached or matured_advanced > matured or matured_converted > matured_advanced

/* gateway.h - Dask clusters on demand, for the unmodified dask_gateway client: what daemon/ hands to the hub. See docs/gateway.md. */
#ifndef CR_PLATFORM_GATEWAY_GATEWAY_H
#define CR_PLATFORM_GATEWAY_GATEWAY_H

/* hub/hub.h */
extern const struct cr_hub_feature cr_gateway_feature;

#endif

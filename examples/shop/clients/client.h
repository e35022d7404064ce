/* The inside of the clients module. No other module includes this. */
#ifndef SHOP_CLIENT_H
#define SHOP_CLIENT_H

#include "clients/clients.h"

#define ORDERS_OF_A_VIP 3

struct ClientRegistered { struct edda_text clientId; struct edda_text name; };
struct ClientBecameVip { struct edda_text clientId; int64_t since; };

struct RegisterClient { struct edda_text clientId; struct edda_text name; };
struct MakeClientVip { struct edda_text clientId; };

extern const struct edda_type ClientRegistered, ClientBecameVip, RegisterClient, MakeClientVip;

struct client { bool known; struct edda_text name; bool vip; int64_t since; };
/* vipOrder: the one that made the client a VIP; 0: none has. */
struct loyalty { int64_t completed; int64_t spent; int64_t vipOrder; };
extern const struct edda_type client, loyalty;

#endif

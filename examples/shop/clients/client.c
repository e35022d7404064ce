/* client: who a client is, and whether a VIP. */
#include "clients/client.h"

#define CLIENT .len_min = 1, .len_max = 64

static const struct edda_field ClientRegistered_fields[] = { EDDA_FIELD(ClientRegistered, clientId), EDDA_FIELD(ClientRegistered, name) };
const struct edda_type ClientRegistered = EDDA_EVENT(ClientRegistered, clientId, .topic = "clients");
static const struct edda_field ClientBecameVip_fields[] = {
    EDDA_FIELD(ClientBecameVip, clientId), EDDA_FIELD_TIME(ClientBecameVip, since) };
const struct edda_type ClientBecameVip = EDDA_EVENT(ClientBecameVip, clientId, .topic = "clients");
static const struct edda_field RegisterClient_fields[] = {
    EDDA_FIELD(RegisterClient, clientId, CLIENT), EDDA_FIELD(RegisterClient, name, CLIENT) };
const struct edda_type RegisterClient = EDDA_COMMAND(RegisterClient, clientId, .topic = "clients.commands");
static const struct edda_field MakeClientVip_fields[] = { EDDA_FIELD(MakeClientVip, clientId) };
const struct edda_type MakeClientVip = EDDA_COMMAND(MakeClientVip, clientId, .topic = "clients.commands");

static const struct edda_field client_fields[] = {
    EDDA_FIELD(client, known), EDDA_FIELD(client, name), EDDA_FIELD(client, vip), EDDA_FIELD_TIME(client, since) };
const struct edda_type client = EDDA_STATE(client);

EDDA_EVOLVE(registered, client, ClientRegistered);
static void registered(struct client *c, const struct ClientRegistered *e)
{
    c->known = true;
    c->name = e->name;
}

EDDA_EVOLVE(became_vip, client, ClientBecameVip);
static void became_vip(struct client *c, const struct ClientBecameVip *e)
{
    c->vip = true;
    c->since = e->since;
}

struct Client { struct edda_text clientId; struct edda_text name; bool vip; int64_t vipSince; };
static const struct edda_field Client_fields[] = {
    EDDA_FIELD(Client, clientId), EDDA_FIELD(Client, name, .optional = true), EDDA_FIELD(Client, vip),
    EDDA_FIELD_TIME(Client, vipSince, .optional = true),
};
static const struct edda_type Client = EDDA_VALUE(Client);

EDDA_ROW(client_row, Client, client);
static bool client_row(struct Client *row, struct edda_text key, const struct client *c)
{
    *row = (struct Client){ key, c->name, c->vip, c->since };
    return c->known || c->vip;
}

static const struct edda_view clients = EDDA_VIEW("clients", Client, client_row, .path = "/clients", .item = "/clients/{clientId}");

EDDA_HANDLER(enrol, RegisterClient, client);
static int enrol(struct edda_step *step, const struct RegisterClient *c, const struct client *is)
{
    (void)is;
    return edda_emit(step, ClientRegistered, .clientId = c->clientId, .name = c->name);
}

EDDA_HANDLER(make_vip, MakeClientVip, client);
static int make_vip(struct edda_step *step, const struct MakeClientVip *c, const struct client *is)
{
    if (is->vip)
        return edda_skip(step, "a VIP already");
    return edda_emit(step, ClientBecameVip, .clientId = c->clientId, .since = edda_now_ms(step));
}

const struct edda_service client_service = {
    .name = "client",
    .description = "Who clients are, and which of them are VIPs.",
    .entity = EDDA_ENTITY(client, "clients"),
    .evolve = (const struct edda_row[]){
        EDDA_WHEN(ClientRegistered, registered),
        EDDA_WHEN(ClientBecameVip, became_vip),
        EDDA_END },
    .on = (const struct edda_row[]){
        EDDA_ON(RegisterClient, enrol, clientId),
        EDDA_ON(MakeClientVip, make_vip, clientId),
        EDDA_END },
    .view = &clients,
    .routes = (const struct edda_route[]){
        EDDA_ROUTE("POST", "/clients", RegisterClient, .reply = &Client, .location = "/clients/{clientId}",
                   .description = "Registers a client, or gives one another name"),
        EDDA_ROUTES_END },
};

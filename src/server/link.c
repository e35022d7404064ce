/*
 * link: absolute links, as the client can follow them: with the host by which it has asked.
 */
#include "server/parts.h"
#include "wire/json/text.h"

void link_put_encoded(struct buffer *out, struct slice text)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        bool plain = (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') ||
                     byte == '-' || byte == '.' || byte == '_' || byte == '~';
        if (plain) {
            buffer_append_byte(out, byte);
        } else {
            const char encoded[] = { '%', digits[byte >> 4], digits[byte & 15] };
            buffer_append(out, encoded, sizeof encoded);
        }
    }
}

/* The value of a member of a JSON object as text. */
static struct slice json_text(struct slice json, const char *name, struct arena *arena)
{
    struct slice raw;
    bool is_string;
    if (!json_find(json, name, &raw, &is_string))
        return slice_of(NULL, 0);
    if (!is_string || !raw.len || !memchr(raw.data, '\\', raw.len))
        return raw;
    uint8_t *plain = arena_bytes(arena, raw.len);
    return plain ? slice_of(plain, text_unescape(raw, plain)) : slice_of(NULL, 0);
}

static struct slice parameter_text(const struct link_source *source, const char *name, struct arena *arena)
{
    struct slice text = source->key;
    if (source->value && !json_field_text(source->type, source->value, name, arena, &text))
        return slice_of(NULL, 0);
    return source->json.len ? json_text(source->json, name, arena) : text;
}

/* Appends the path with its parameters filled in; false when one has no value. */
static bool put_path(struct buffer *out, const char *path, const struct link_source *source, struct arena *arena)
{
    while (*path) {
        size_t word = strcspn(path, "{");
        buffer_append(out, path, word);
        path += word;
        if (!*path)
            break;
        size_t len = strcspn(path, "}");
        char *name = arena_cstr(arena, slice_of(path + 1, len - 1));
        struct slice text = name ? parameter_text(source, name, arena) : slice_of(NULL, 0);
        if (text.len == 0)
            return false;
        link_put_encoded(out, text);
        path += path[len] ? len + 1 : len;
    }
    return true;
}

void link_put_host(struct edda_request *request, struct buffer *out)
{
    struct slice host;
    if (!http_header_find(&request->head, "host", &host) || host.len == 0)
        host = slice_str(request->server->authority);
    buffer_append_str(out, request->session && connection_is_tls(&request->session->connection) ? "https://" : "http://");
    buffer_append_slice(out, host);
}

struct slice link_make(struct edda_request *request, const char *path, const struct link_source *source)
{
    struct buffer *out = &request->server->extra;
    buffer_clear(out);
    link_put_host(request, out);
    if (!put_path(out, path, source, &request->arena) || !buffer_ok(out))
        return slice_of(NULL, 0);
    return arena_copy(&request->arena, buffer_slice(out));
}

void link_put(struct buffer *out, bool comma, struct slice link)
{
    if (link.len == 0)
        return;
    buffer_append_str(out, comma ? ",\"_links\":{\"self\":{\"href\":\"" : "\"_links\":{\"self\":{\"href\":\"");
    buffer_append_slice(out, link);
    buffer_append_str(out, "\"}}");
}

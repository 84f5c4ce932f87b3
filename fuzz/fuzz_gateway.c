/* fuzz_gateway.c - what schedulers and clients send to the gateway: any JSON as heartbeat and as options; any text as the kernel's table of ports,
 * as a name with a token, and as the path of a dashboard. */
#include "fuzz_text.h"
#include <jansson.h>
#include "platform/gateway/basic.h"
#include "platform/gateway/beat.h"
#include "platform/gateway/dashboards.h"
#include "platform/gateway/listener.h"
#include "platform/gateway/options.h"

static void read_beat(const json_t *body) {
    cr_arena arena;
    cr_beat b;
    cr_arena_init(&arena, 1 << 20);
    if (cr_beat_read(body, &arena, &b, NULL) == CR_OK) {
        const cr_beat_list *lists[] = {&b.active, &b.closing, &b.closed};
        fuzz_must(b.scheduler_port >= 1024 && b.scheduler_port <= 65535 && b.api_port >= 1024 && b.api_port <= 65535);
        fuzz_must(b.count >= 0 && b.count <= CR_BEAT_COUNT_MAX);
        fuzz_must(b.idle_ms >= -1 && b.idle_ms <= CR_BEAT_IDLE_MAX_S * (int64_t)1000);
        for (size_t l = 0; l < CR_ARRAY_LEN(lists); l++)
            for (size_t i = 0; i < lists[l]->n; i++)
                fuzz_must(lists[l]->number[i] > 0);
    }
    cr_arena_done(&arena);
}

/* What was chosen is within the limits, and is itself a choice that means the same. */
static void read_options(const json_t *given) {
    const cr_config c = {.gateway_cores = 8, .gateway_memory_bytes = (uint64_t)10 << 30};
    cr_cluster_options o, again;
    json_t *all, *second;
    if (cr_options_read(&c, given, &o, &all, NULL) != CR_OK)
        return;
    fuzz_must(o.cores >= 1 && o.cores <= 8 && o.memory_bytes >= 1 << 28 && o.memory_bytes <= (uint64_t)9 << 30);
    fuzz_must(cr_options_read(&c, all, &again, &second, NULL) == CR_OK);
    fuzz_must(again.cores == o.cores && again.memory_bytes == o.memory_bytes && json_equal(all, second));
    json_decref(all);
    json_decref(second);
}

static void read_texts(const char *text) {
    cr_basic b;
    if (cr_basic_read(text, &b))
        fuzz_must(b.name[0] && strlen(b.name) <= CR_NAME_MAX && cr_token_is_wellformed(b.token));
    /* What is sent back as the place to go to is a path of this origin, and one line. */
    if (cr_dashboard_path_is_right(text))
        fuzz_must(text[0] == '/' && text[1] == 's' && !strpbrk(text, "\r\n\\ \""));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    json_t *body = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    if (body) {
        read_beat(body);
        read_options(body);
        json_decref(body);
    }
    char *text = fuzz_text(data, size);
    int64_t uid = -1;
    if (cr_listener_owner(text, 4000, &uid))
        fuzz_must(uid >= 0);
    free(text);
    text = fuzz_text(data, size);        /* the table was taken apart */
    read_texts(text);
    free(text);
    return 0;
}

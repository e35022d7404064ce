/*
 * A decider: a bank account. Commands ask, the state decides, events record what was decided; the state is nothing but what the
 * events add up to. No account is ever overdrawn, however many clients there are: commands to one account are taken one at a time.
 *
 *     03-decider run                                                     03-decider --test
 *     curl localhost:8080/accounts -d '{"account":"ann"}'
 *     curl localhost:8080/deposits -d '{"account":"ann","cents":500}'
 *     curl localhost:8080/accounts/ann
 */
#include "edda/edda.h"

#include <string.h>

struct Account { struct edda_text account; }; /* the body of OpenAccount, and of AccountOpened */
static const struct edda_field Account_fields[] = { EDDA_FIELD(Account, account, .len_min = 1, .len_max = 64) };
struct Money { struct edda_text account; int64_t cents; };
static const struct edda_field Money_fields[] = { EDDA_FIELD(Money, account), EDDA_FIELD(Money, cents, .min = 1, .max = 1e12) };

#define MESSAGE(its_name, its_kind, body, its_topic) \
    { .name = its_name, .kind = its_kind, .size = sizeof(struct body), .fields = body##_fields, \
      .field_count = sizeof body##_fields / sizeof body##_fields[0], .topic = its_topic, .key = "account" }
static const struct edda_type OpenAccount = MESSAGE("OpenAccount", EDDA_TYPE_COMMAND, Account, "account.commands");

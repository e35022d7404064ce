/* The rules of an account. See account.h. */
#include "member/domain/account.h"

bool account_can_pay(const struct account *account, int64_t points)
{
    return account->point >= points;
}

void account_save(struct account *account, struct edda_text name, int64_t points)
{
    account->name = name;
    account->point += points;
}

void account_use(struct account *account, int64_t points)
{
    account->point -= points;
}

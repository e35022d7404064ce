/* The rules of a copy. See copy.h. */
#include "book/domain/copy.h"

const char *copy_cannot_be_lent(const struct copy *copy)
{
    if (!copy->title.len)
        return "there is no such book";
    if (copy->borrower.len)
        return "the book is lent";
    return copy->lost ? "the book is lost" : NULL;
}

const char *copy_cannot_come_back(const struct copy *copy, struct edda_text from)
{
    if (!copy->borrower.len || !edda_text_equal(copy->borrower, from))
        return "the book is not lent to this member";
    return copy->lost ? "the book is lost" : NULL;
}

void copy_lent(struct copy *copy, struct edda_text to)
{
    copy->borrower = to;
    copy->lent++;
}

void copy_came_back(struct copy *copy)
{
    copy->borrower = (struct edda_text){ NULL, 0 };
}

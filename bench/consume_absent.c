/* What stands for the bench of consuming where its client, librdkafka, is not installed. */
#include <stdio.h>

int main(void)
{
    printf("consume    left out: it was built without librdkafka (make setup installs librdkafka-dev)\n");
    return 0;
}

#include <stdio.h>

int main(void)
{
    puts("Hello from a package that was built from source.");
    return 0;
}

// Holds the headers that all test programs share in a cold build (GRADUS_COLD_BUILD).
int main() { return 0; }

/*
 * library-naive is the same code built with NAIVE=1: it does as the original did. What is rented can be returned before anybody has said that the rent
 * stands, and an answer that is a no is compensated by the item it names, whatever has become of that item since. The simulator finds what comes of it.
 */
#ifndef LIBRARY_NAIVE_H
#define LIBRARY_NAIVE_H

#ifndef NAIVE
#define NAIVE 0
#endif

#endif

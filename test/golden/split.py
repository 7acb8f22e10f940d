"""The split of splitIndices, written again from its description: python3 test/golden/split.py"""
M = 0xFFFFFFFF


def generator(seed):
    mixed = seed & M

    def splitmix32():
        nonlocal mixed
        mixed = (mixed + 0x9E3779B9) & M
        z = mixed
        z = ((z ^ (z >> 16)) * 0x85EBCA6B) & M
        z = ((z ^ (z >> 13)) * 0xC2B2AE35) & M
        return z ^ (z >> 16)

    s = [splitmix32(), splitmix32()]
    mixed = (mixed ^ (seed >> 32)) & M
    s += [splitmix32(), splitmix32() | 1]
    rotl = lambda x, k: ((x << k) | (x >> (32 - k))) & M

    def xoshiro128starstar():
        result = (rotl(s[1] * 5 & M, 7) * 9) & M
        t = (s[1] << 9) & M
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotl(s[3], 11)
        return result

    def below(n):
        limit = 2**32 - 2**32 % n
        while (x := xoshiro128starstar()) >= limit:
            pass
        return x % n

    return below


def validation(length, count, seed):
    below, order = generator(seed), list(range(length))
    for i in range(count):
        j = i + below(length - i)
        order[i], order[j] = order[j], order[i]
    return sorted(order[:count])


for seed in (0, 1, 2**53 - 1):
    print(seed, validation(20, 5, seed))

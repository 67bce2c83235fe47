# SPDX-License-Identifier: MIT
# The floor that `opu bench train` is measured against: the same network, batch and optimiser in PyTorch, by
# back-propagation, data in memory. Prints rows per second, training steps alone: the median of the rounds.
# Arguments: threads, warm-up steps, steps a round, rounds.
import sys
import time

import torch

threads, warm_up, steps, rounds = (int(a) for a in sys.argv[1:5])
torch.set_num_threads(threads)
torch.manual_seed(1)
batch, n_rows = 128, 60000
images = torch.randint(0, 256, (n_rows, 784), dtype=torch.uint8)
labels = torch.randint(0, 10, (n_rows,))
rows = (images.float() / 255 - 0.2860) / 0.3530
net = torch.nn.Sequential(
    torch.nn.Linear(784, 1024), torch.nn.Tanh(),
    torch.nn.Linear(1024, 1024), torch.nn.Tanh(),
    torch.nn.Linear(1024, 10))
optimiser = torch.optim.Adam(net.parameters(), lr=3e-4)
loss_of = torch.nn.CrossEntropyLoss()
order = torch.randperm(n_rows)
at = 0


def step():
    global at
    picked = order[at:at + batch]
    at = (at + batch) % (n_rows - batch)
    optimiser.zero_grad()
    loss = loss_of(net(rows[picked]), labels[picked])
    loss.backward()
    optimiser.step()
    loss.item()


for _ in range(warm_up):
    step()
times = []
for _ in range(rounds):
    start = time.perf_counter()
    for _ in range(steps):
        step()
    times.append(time.perf_counter() - start)
times.sort()
print(batch * steps / times[len(times) // 2])

"""A net taught without any label: two changed views of one film are described alike, films differently (VICReg).

Bardes A, Ponce J, LeCun Y. VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning. ICLR 2022.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import film_net
from films import Films, smaller

SIDE = 64


def taught(modules, rate, steps, losses, log):
    """Adam with one rise and fall of the rate over losses that a generator makes."""
    parameters = [p for module in modules for p in module.parameters()]
    optimiser = torch.optim.AdamW(parameters, rate, weight_decay=0.05)
    plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, steps, pct_start=0.15, final_div_factor=200)
    total = 0.0
    for step, loss in enumerate(losses):
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 2.0)
        optimiser.step()
        plan.step()
        total += float(loss.detach())
        if step % 200 == 199:
            log(f"step {step + 1} of {steps}: loss {total / 200:.4f}")
            total = 0.0


def without_labels(setting, films, work, seed, log, epochs=4, batch=128):
    """VICReg: two changed views of a film are described alike, films differently, and no two numbers say the same."""
    children = Films("chest-child", work, setting["side"])
    pictures = np.concatenate([smaller(of.images[of.of("train")], SIDE) for of in (films, children)])
    generator = torch.Generator().manual_seed(seed)
    net = film_net.new_net(setting, films).to(memory_format=torch.channels_last)
    channels = net.head.weight.shape[1]
    projector = nn.Sequential(nn.Linear(channels, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, 512))
    steps = len(pictures) // batch * epochs

    def view(x):
        """A part of the film, at least three fifths of its side, and other exposure."""
        size = 0.6 + 0.4 * torch.rand(len(x), generator=generator)
        shift = (torch.rand(len(x), 2, generator=generator) * 2 - 1) * (1 - size)[:, None]
        theta = torch.zeros(len(x), 2, 3)
        theta[:, 0, 0], theta[:, 1, 1], theta[:, :, 2] = size, size, shift
        x = functional.grid_sample(x, functional.affine_grid(theta, list(x.shape), align_corners=False), align_corners=False)
        x = film_net.changed(x, True, generator).contiguous(memory_format=torch.channels_last)
        return projector(net.features(net.seen(x))[-1].mean((2, 3)))

    def spread(z):
        z = z - z.mean(0)
        covariance = z.T @ z / (len(z) - 1)
        apart = functional.relu(1 - (covariance.diagonal() + 1e-4).sqrt()).mean()
        return 25 * apart + (covariance.square().sum() - covariance.diagonal().square().sum()) / z.shape[1]

    def losses():
        net.train()
        for _ in range(epochs):
            order = torch.randperm(len(pictures), generator=generator).numpy()
            for at in range(0, len(order) - batch + 1, batch):
                x = torch.from_numpy(pictures[order[at:at + batch]])[:, None].float() / 255
                one, other = view(x), view(x)
                yield 25 * functional.mse_loss(one, other) + spread(one) + spread(other)

    taught([net, projector], 3e-3, steps, losses(), log)
    return net.state_dict()

"""The article's three equations as printed (its section 4.1), to be looked at: no model here is built on them."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def printed_encoder(x: Tensor, W_h: Tensor, b_h: Tensor, W_e: Tensor) -> Tensor:
    """Encoder(x) = softmax(W_e ReLU(W_h x + b_h)): a perceptron with one hidden layer.

    x: (..., 2) user id and item id as real numbers    W_h: (64, 2)    b_h: (64,)    W_e: (64, 64)
    ->  (..., 64), each row positive and summing to 1
    It cannot read a history: every row is computed alone. It cannot tell names from amounts: 1002 is 1001 and one more.
    """
    return F.linear(F.relu(F.linear(x, W_h, b_h)), W_e).softmax(-1)


def printed_decoder(y: Tensor, W_g: Tensor, b_g: Tensor, W_d: Tensor) -> Tensor:
    """Decoder(y) = softmax(W_d ReLU(W_g y + b_g)): the same perceptron under other letters.

    y: (..., 1) item id as a real number    W_g: (64, 1)    b_g: (64,)    W_d: (64, 64)
    ->  (..., 64), each row positive and summing to 1
    It cannot decode: nothing of the encoder enters, and its 64 outputs are not the items of any catalog.
    """
    return F.linear(F.relu(F.linear(y, W_g, b_g)), W_d).softmax(-1)


def printed_attention(x: Tensor, y: Tensor, W_a: Tensor, b_a: Tensor) -> Tensor:
    """Attention(x, y) = softmax(W_a dot-product(x, y) + b_a): 64 shares of one number.

    x, y: (..., 64) outputs of encoder and decoder    W_a: (64, 1)    b_a: (64,)
    ->  (..., 64), each row positive and summing to 1
    It cannot attend: one pair of vectors comes in, so there is nothing to choose between, and no value comes out.
    """
    dot_product = (x * y).sum(-1, keepdim=True)  # (..., 1)
    return F.linear(dot_product, W_a, b_a).softmax(-1)

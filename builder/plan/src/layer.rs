//! Owns layer inputs and keys. A key covers every input of its layer, and the key of the layer below.

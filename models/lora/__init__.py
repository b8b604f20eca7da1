"""LoRA per row: many adapters over one network in one forward pass (Hu et al. 2021, 2106.09685)."""

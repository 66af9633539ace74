"""What the loader expects of a dataset: samples, how to collate them, and how to finish a batch."""

from torch.utils.data import Dataset, default_collate


class BatchedDataset(Dataset):
    """A dataset of dictionaries whose batches are made in a worker and finished on the device."""

    def collate(self, items: list[dict], device_type: str) -> dict:
        """Make a batch of samples, in a worker; `device_type` is where it goes: 'cpu' or 'cuda'."""
        return default_collate(items)

    def finish(self, batch: dict) -> dict:
        """Turn a collated batch, already on its device, into what networks take."""
        return batch

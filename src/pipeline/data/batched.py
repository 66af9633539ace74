"""What the loader needs of a dataset: samples, their collation, and the finish of a batch."""

from torch.utils.data import Dataset, default_collate


class BatchedDataset(Dataset):
    """A dataset of dictionaries, collated in a worker and finished on the device of the network."""

    def __getitem__(self, index: int) -> dict:
        """Return the sample `index`: labels, and what `collate` needs to read its inputs.

        Raises PipelineError when the sample cannot be read.
        """
        raise NotImplementedError

    def collate(self, items: list[dict], device_type: str) -> dict:
        """Return the samples of a batch as one; `device_type`, "cpu" or "cuda", is where it goes.

        This is called in a worker. Raises PipelineError when a sample cannot be read.
        """
        return default_collate(items)

    def finish(self, batch: dict) -> dict:
        """Return a collated batch, whose tensors are on the device, as networks take it."""
        return batch

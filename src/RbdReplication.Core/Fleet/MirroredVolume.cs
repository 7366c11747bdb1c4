namespace RbdReplication.Core;

/// <summary>A mirrored image with the CSI volume that it belongs to.</summary>
/// <param name="Handle">Volume handle at this site; null for an image whose name does not end with a uuid.</param>
/// <param name="PersistentVolume">Name of the PersistentVolume, from the journal; null where the journal has no entry.</param>
/// <param name="Pool">Pool name.</param>
/// <param name="Namespace">Rados namespace; empty for the default one.</param>
/// <param name="Status">Its mirroring.</param>
public sealed record MirroredVolume(VolumeHandle? Handle, string? PersistentVolume, string Pool, string Namespace, ImageStatus Status);

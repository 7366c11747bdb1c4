namespace RbdReplication.Core;

/// <summary>What the journal has to say of a volume for the CSI driver to find its image.</summary>
/// <param name="RequestName">The PV's name.</param>
/// <param name="Uuid">The uuid of the volume handle; it is the end of the image's name.</param>
public sealed record Reservation(string RequestName, string Uuid)
{
    /// <summary>What the image's name has before the uuid.</summary>
    public string ImagePrefix { get; init; } = JournalKeys.DefaultImagePrefix;

    /// <summary>Whether <see cref="ImageName"/> is known to be the image's, so that a record of another one is a conflict; otherwise what is recorded counts.</summary>
    public bool IsImageKnown { get; init; }

    /// <summary>The PVC's namespace; null where it is not known, and then it is left as it is.</summary>
    public string? Owner { get; init; }

    /// <summary>Id of the key management service of an encrypted volume; null if it is not encrypted.</summary>
    public string? EncryptionKms { get; init; }

    /// <summary><c>block</c> or <c>file</c> for an encrypted volume, else null.</summary>
    public string? EncryptionType { get; init; }

    /// <summary>Name of the image, where the journal does not record another.</summary>
    public string ImageName => ImagePrefix + Uuid;
}

namespace RbdReplication.Core;

/// <summary>What reclaiming has brought.</summary>
/// <param name="BytesBefore">What the image took up before; null where that is not known, or the image was left untouched.</param>
/// <param name="BytesAfter">What it takes up now; null likewise.</param>
public sealed record ReclaimedSpace(long? BytesBefore, long? BytesAfter)
{
    /// <summary>Nothing was done.</summary>
    public static ReclaimedSpace Untouched { get; } = new(null, null);

    /// <summary>It is not known what was freed.</summary>
    public static ReclaimedSpace Unknown { get; } = new(null, null);
}

namespace RbdReplication.Core;

/// <summary>Numbers of volumes as messages say them.</summary>
internal static class VolumeCount
{
    /// <summary>"1 volume", "2 volumes".</summary>
    public static string Words(int count) => count == 1 ? "1 volume" : $"{count} volumes";

    /// <summary>The verb that goes with the number.</summary>
    public static string Are(int count) => count == 1 ? "is" : "are";
}
